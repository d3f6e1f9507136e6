# frozen_string_literal: true

# Lists of e-mail domains; not asked for confirmed users (mastodon.md §4.2).
class UserEmailValidator < ActiveModel::Validator
  def validate(user)
    return if user.email.blank?

    user.errors.add(:email, :blocked) if blocked?(user.email)
    user.errors.add(:email, :taken) if CanonicalEmailBlock.block?(user.email)
  end

  private

  def blocked?(email)
    allowed = Rails.configuration.x.email_domains_allowlist
    denied = Rails.configuration.x.email_domains_denylist

    EmailDomainBlock.block?(email.split('@', 2).last) ||
      (allowed.present? && !email.match?(/@(.+\.)?(#{either(allowed)})$/i)) ||
      (denied.present? && email.match?(/@(.+\.)?(#{either(denied)})/i))
  end

  def either(list)
    list.split('|').map { |domain| Regexp.escape(domain) }.join('|')
  end
end
