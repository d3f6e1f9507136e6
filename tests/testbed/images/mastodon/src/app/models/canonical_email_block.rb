# frozen_string_literal: true

# Addresses of suspended people, whatever dots and tags they are written with.
class CanonicalEmailBlock < ApplicationRecord
  def self.hash_of(email)
    name, domain = email.downcase.split('@', 2)
    Digest::SHA256.hexdigest("#{name.delete('.').split('+').first}@#{domain}")
  end

  def self.block?(email)
    where(canonical_email_hash: hash_of(email)).exists?
  end
end
