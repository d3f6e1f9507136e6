# frozen_string_literal: true

# Client addresses that are refused. The list is cached in Redis.
class IpBlock < ApplicationRecord
  CACHE_KEY = 'blocked_ips'
  NO_ACCESS = 9999

  after_commit -> { Rails.cache.delete(CACHE_KEY) }

  def self.blocked?(address)
    ranges = Rails.cache.fetch(CACHE_KEY) { where(severity: NO_ACCESS).pluck(:ip).map(&:to_s) }
    ranges.any? { |range| IPAddr.new(range).include?(address) }
  end
end
