# frozen_string_literal: true

require 'resolv'

# Asks the container's DNS whether the domain can receive mail (mastodon.md §4.3).
class EmailMxValidator < ActiveModel::Validator
  TIMEOUT_SECONDS = 5
  RECORD = Resolv::DNS::Resource::IN
  HOST = /\A[[:alnum:].-]+\z/

  def validate(user)
    return if user.email.blank?

    domain = domain_of(user.email)
    return user.errors.add(:email, :invalid) if domain.blank? || domain.include?('..') || !domain.match?(HOST)
    return if Rails.configuration.x.email_domains_allowlist.include?(domain)

    addresses, hosts = resolve(domain)
    if addresses.empty?
      user.errors.add(:email, :unreachable)
    elsif EmailDomainBlock.block?(hosts + addresses)
      user.errors.add(:email, :blocked)
    end
  end

  private

  def domain_of(email)
    email.split('@', 2)[1]&.downcase
  end

  def resolve(domain)
    Resolv::DNS.open do |dns|
      dns.timeouts = TIMEOUT_SECONDS
      hosts = dns.getresources(domain, RECORD::MX).map { |record| record.exchange.to_s }
      return [[], hosts] if hosts == [''] # null MX: takes no mail

      addresses = [domain, *hosts].uniq.flat_map do |host|
        [RECORD::A, RECORD::AAAA].flat_map { |type| dns.getresources(host, type).map { |record| record.address.to_s } }
      end
      [addresses, [domain, *hosts]]
    end
  end
end
