# frozen_string_literal: true

# Among local accounts, whatever the case; names of deleted accounts stay taken.
class UniqueUsernameValidator < ActiveModel::Validator
  def validate(account)
    return if account.username.blank?

    others = Account.local.where('lower(username) = ?', account.username.downcase).where.not(id: account.id)
    account.errors.add(:username, :taken) if others.exists?
  end
end
