# frozen_string_literal: true

# Names nobody may take on sign-up. Digits that look like letters count as those letters.
class UsernameBlock < ApplicationRecord
  LOOKALIKES = ['1234578906', 'izeastbgo6'].freeze

  validates :username, presence: true, uniqueness: { case_sensitive: false }

  before_save -> { self.normalized_username = self.class.normalize(username) }

  def self.normalize(name)
    name.downcase.tr(*LOOKALIKES)
  end

  # Partial matches count for both kinds of question, as in Mastodon.
  def self.matches?(name, allow_with_approval: false)
    normalized = normalize(name)
    where(exact: true, allow_with_approval: allow_with_approval, normalized_username: normalized)
      .or(where(exact: false).where("? LIKE '%' || normalized_username || '%'", normalized))
      .exists?
  end
end
