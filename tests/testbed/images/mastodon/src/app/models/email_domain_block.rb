# frozen_string_literal: true

class EmailDomainBlock < ApplicationRecord
  def self.block?(domains)
    where(domain: domains, allow_with_approval: false).exists?
  end
end
