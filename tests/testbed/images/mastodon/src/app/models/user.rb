# frozen_string_literal: true

require 'bcrypt'

# Somebody who can sign in. Behaves as Mastodon's class does when a program
# creates, approves and confirms a user (mastodon.md §4.1-4.3).
class User < ApplicationRecord
  include Confirmation
  include SignIn

  PASSWORD_LENGTH = 8..72
  EMAIL_LENGTH_LIMIT = 320
  # Who signed in within this time has a home timeline.
  ACTIVE_DURATION = ENV.fetch('USER_ACTIVE_DAYS', 7).to_i.days.freeze

  belongs_to :account, inverse_of: :user, autosave: true
  belongs_to :role, class_name: 'UserRole', optional: true
  has_many :session_activations, dependent: :destroy
  has_many :login_activities, dependent: :destroy
  has_many :ips, class_name: 'UserIp', inverse_of: :user
  accepts_nested_attributes_for :account

  attribute :external, :boolean, default: false
  attribute :bypass_registration_checks, :boolean, default: false
  attr_reader :password
  attr_accessor :password_confirmation

  normalizes :email, with: ->(email) { email.strip.downcase }

  validates :email, presence: true, uniqueness: true, format: { with: /\A[^@\s]+@[^@\s]+\z/, allow_blank: true },
                    length: { maximum: EMAIL_LENGTH_LIMIT }, if: -> { new_record? || email_changed? }
  validates :email, email_address: true, if: -> { email.present? }
  validates_with UserEmailValidator, if: -> { ENV['EMAIL_DOMAIN_LISTS_APPLY_AFTER_CONFIRMATION'] == 'true' || !confirmed? }
  validates_with EmailMxValidator, if: :validate_email_dns?
  validates :password, presence: true, if: -> { new_record? && !external? }
  validates :password, length: { in: PASSWORD_LENGTH }, confirmation: true, allow_blank: true
  validates :agreement, acceptance: { allow_nil: false, accept: [true, 'true', '1'] }, on: :create

  before_validation -> { self.role = nil if role_id == UserRole::EVERYONE_ROLE_ID }
  before_create :set_approved
  after_create_commit -> { TriggerWebhookWorker.perform_async('account.created', 'Account', account_id) }

  scope :pending, -> { where(approved: false) }
  scope :approved, -> { where(approved: true) }
  scope :active, -> { where.not(confirmed_at: nil).where(current_sign_in_at: ACTIVE_DURATION.ago..).joins(:account).merge(Account.without_suspended) }
  scope :disabled, -> { where(disabled: true) }

  delegate :can?, to: :role

  def self.skip_mx_check?
    Rails.env.local?
  end

  def self.those_who_can(*privileges)
    where(role_id: UserRole.that_can(*privileges).map(&:id))
  end

  def role
    role_id.nil? && super.nil? ? UserRole.everyone : super
  end

  def password=(new_password)
    @password = new_password
    self.encrypted_password = BCrypt::Password.create(new_password, cost: 10) if new_password.present?
  end

  def valid_password?(candidate)
    encrypted_password.present? && BCrypt::Password.new(encrypted_password) == candidate
  end

  def change_password!(new_password)
    transaction do
      update(password: new_password)
      session_activations.destroy_all
    end
    OauthAccessToken.where(resource_owner_id: id).update_all(revoked_at: Time.now.utc)
  end

  def pending?
    !approved?
  end

  def approve!
    return if approved?

    update!(approved: true)
    reload unless confirmed?
    prepare_new_user! if confirmed?
  end

  def disable!
    update!(disabled: true)
  end

  def enable!
    update!(disabled: false)
  end

  # Whoever is not may sign in, but is led to the account page (mastodon.md §4.1).
  def functional?
    confirmed? && approved? && !disabled? && !account.suspended? && !account.memorial?
  end

  private

  def set_approved
    self.approved = !requires_approval? && (open_registrations? || external?)
    true
  end

  def requires_approval?
    account.username.present? && UsernameBlock.matches?(account.username, allow_with_approval: true)
  end

  def open_registrations?
    Setting.registrations_mode == 'open'
  end

  def validate_email_dns?
    email_changed? && !external? && !self.class.skip_mx_check?
  end

  def prepare_new_user!
    BootstrapTimelineWorker.perform_async(account_id)
    ActivityTracker.record_login(id)
    UserMailer.welcome(self).deliver_later(wait: 1.hour)
    TriggerWebhookWorker.perform_async('account.approved', 'Account', account_id)
  end
end
