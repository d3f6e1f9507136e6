# frozen_string_literal: true

# Skipped for users made by the operator, so `admin` is allowed there (mastodon.md §4.1).
class UnreservedUsernameValidator < ActiveModel::Validator
  def validate(account)
    return if account.username.blank? || account.user&.bypass_registration_checks

    account.errors.add(:username, :reserved) if UsernameBlock.matches?(account.username, allow_with_approval: false)
  end
end
