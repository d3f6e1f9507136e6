# frozen_string_literal: true

# A person (or the instance itself), local or remote. Rules for local names: mastodon.md §4.4.
class Account < ApplicationRecord
  INSTANCE_ACTOR_ID = -99
  INSTANCE_ACTOR_NAME = 'mastodon.internal'
  USERNAME_LENGTH_LIMIT = 30
  DISPLAY_NAME_LENGTH_LIMIT = 40
  NOTE_LENGTH_LIMIT = 500

  has_one :user, inverse_of: :account, dependent: :destroy
  has_many :keypairs, inverse_of: :account, dependent: :destroy
  has_many :statuses, inverse_of: :account, dependent: :destroy

  normalizes :username, with: ->(username) { username.squish }

  validates :username, presence: true

  with_options if: -> { local? && will_save_change_to_username? && !instance_actor? } do
    validates :username, format: { with: /\A[a-z0-9_]+\z/i }, length: { maximum: USERNAME_LENGTH_LIMIT }
    validates_with UniqueUsernameValidator
    validates_with UnreservedUsernameValidator
  end

  validates :display_name, length: { maximum: DISPLAY_NAME_LENGTH_LIMIT }, if: :local?
  validates :note, length: { maximum: NOTE_LENGTH_LIMIT }, if: :local?

  scope :local, -> { where(domain: nil) }
  scope :remote, -> { where.not(domain: nil) }
  scope :without_suspended, -> { where(suspended_at: nil) }
  scope :without_internal, -> { where('accounts.id > 0') }

  before_create :generate_keys, if: :local?
  after_create :store_uri, if: :local?

  delegate :email, :confirmed?, :approved?, :disabled?, :current_sign_in_at, to: :user, prefix: true, allow_nil: true

  class << self
    def representative
      find(INSTANCE_ACTOR_ID)
    end

    def find_local(username)
      return if username.blank?

      local.find_by('lower(username) = ?', username.to_s.downcase)
    end

    def find_local!(username)
      find_local(username) || raise(ActiveRecord::RecordNotFound)
    end
  end

  def local?
    domain.nil?
  end

  def instance_actor?
    id == INSTANCE_ACTOR_ID
  end

  def suspended?
    suspended_at.present?
  end

  def acct
    local? ? username : "#{username}@#{domain}"
  end

  # The identity that other servers know. Numeric ids since 4.5 (mastodon.md §6, row WebFinger).
  def uri_for_federation
    base = "https://#{Rails.configuration.x.web_domain}"
    instance_actor? ? "#{base}/actor" : "#{base}/ap/users/#{id}"
  end

  def local_username_and_domain
    name = instance_actor? ? Rails.configuration.x.local_domain : username
    "#{name}@#{Rails.configuration.x.local_domain}"
  end

  def public_key_pem
    keypairs.first&.public_key.presence || public_key
  end

  private

  def generate_keys
    return if keypairs.any?

    key = OpenSSL::PKey::RSA.new(2048)
    keypairs.build(
      uri: "#rsa-#{SecureRandom.hex(8)}", public_key: key.public_to_pem, private_key: key.to_pem
    )
  end

  def store_uri
    update_columns(uri: uri_for_federation, url: "https://#{Rails.configuration.x.web_domain}/@#{username}")
    keypairs.each { |keypair| keypair.update_columns(uri: "#{uri_for_federation}#{keypair.uri}") }
  end
end
