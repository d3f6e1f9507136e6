# frozen_string_literal: true

class Status < ApplicationRecord
  belongs_to :account, inverse_of: :statuses

  scope :local, -> { where(uri: nil).or(where(local: true)) }
end
