# frozen_string_literal: true

# A database view: every address a user was seen with.
class UserIp < ApplicationRecord
  self.primary_key = %i(user_id ip)

  belongs_to :user
end
