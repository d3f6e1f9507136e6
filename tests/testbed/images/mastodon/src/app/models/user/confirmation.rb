# frozen_string_literal: true

# Confirming the e-mail address; what Devise's `confirmable` does in Mastodon.
module User::Confirmation
  extend ActiveSupport::Concern

  included do
    scope :confirmed, -> { where.not(confirmed_at: nil) }
    scope :unconfirmed, -> { where(confirmed_at: nil) }

    before_update :postpone_email_change, if: -> { email_changed? && confirmed? && !@skip_reconfirmation }
    before_save :generate_confirmation_token, if: -> { needs_confirmation_mail? }
    after_commit :send_confirmation_mail, on: %i(create update)
  end

  def confirmed?
    confirmed_at.present?
  end

  def unconfirmed?
    !confirmed?
  end

  def skip_confirmation!
    self.confirmed_at = Time.now.utc
  end

  def confirm
    wrap_email_confirmation do
      @skip_reconfirmation = true
      self.email = unconfirmed_email if unconfirmed_email.present?
      self.unconfirmed_email = nil
      self.confirmed_at = Time.now.utc
      save(validate: true)
    end
  end

  # Without the mail: `tootctl accounts create --confirmed`.
  def mark_email_as_confirmed!
    wrap_email_confirmation do
      skip_confirmation!
      save!
    end
  end

  private

  def wrap_email_confirmation
    new_user = !confirmed?
    self.approved = true if open_registrations? && !requires_approval?

    yield

    return unless new_user

    reload unless approved?
    approved? ? prepare_new_user! : notify_staff_about_pending_account!
  end

  def notify_staff_about_pending_account!
    User.those_who_can(:manage_users).find_each do |moderator|
      UserMailer.new_pending_account(moderator, self).deliver_later
    end
  end

  # A confirmed address changes only when the new one is confirmed too.
  def postpone_email_change
    self.unconfirmed_email = email
    self.email = email_was
    generate_confirmation_token
  end

  def needs_confirmation_mail?
    new_record? && unconfirmed?
  end

  def generate_confirmation_token
    self.confirmation_token = SecureRandom.urlsafe_base64(15)
    self.confirmation_sent_at = Time.now.utc
    @confirmation_mail_due = true
  end

  def send_confirmation_mail
    return unless @confirmation_mail_due

    @confirmation_mail_due = false
    UserMailer.confirmation_instructions(self).deliver_later
  end
end
