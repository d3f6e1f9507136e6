# frozen_string_literal: true

# What a user may do, as a bit mask. The numbers of the bits are Mastodon's.
class UserRole < ApplicationRecord
  EVERYONE_ROLE_ID = -99
  NOBODY_POSITION = -1

  FLAGS = %i(
    administrator view_devops view_audit_log view_dashboard manage_reports manage_federation manage_settings
    manage_blocks manage_taxonomies manage_appeals manage_users manage_invites manage_rules manage_announcements
    manage_custom_emojis manage_webhooks invite_users manage_roles manage_user_access delete_user_data
  ).each_with_index.to_h { |flag, bit| [flag, 1 << bit] }.freeze
  ALL = FLAGS.values.sum

  has_many :users, inverse_of: :role, foreign_key: 'role_id', dependent: :nullify

  validates :name, presence: true, unless: :everyone?

  before_validation -> { self.position = NOBODY_POSITION if everyone? }

  class << self
    def nobody
      @nobody ||= new(permissions: 0, position: NOBODY_POSITION)
    end

    def everyone
      find_by(id: EVERYONE_ROLE_ID) || create!(id: EVERYONE_ROLE_ID, permissions: FLAGS[:invite_users])
    end

    def that_can(*privileges)
      all.select { |role| role.can?(*privileges) }
    end
  end

  def everyone?
    id == EVERYONE_ROLE_ID
  end

  def can?(*privileges)
    privileges.any? { |privilege| (computed_permissions & FLAGS.fetch(privilege)).positive? }
  end

  def permissions_as_keys=(keys)
    self.permissions = keys.sum { |key| FLAGS.fetch(key.to_sym) }
  end

  def permissions_as_keys
    FLAGS.select { |_, bit| (permissions & bit).positive? }.keys.map(&:to_s)
  end

  private

  def computed_permissions
    return permissions if everyone? || id.nil?

    granted = permissions | self.class.everyone.permissions
    (granted & FLAGS[:administrator]).positive? ? ALL : granted
  end
end
