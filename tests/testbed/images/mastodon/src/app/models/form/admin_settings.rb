# frozen_string_literal: true

# What the pages under /admin/settings may change (mastodon.md §4.6).
class Form::AdminSettings
  include ActiveModel::Model

  PAGES = {
    'branding' => %i(site_title site_short_description site_contact_username site_contact_email),
    'about' => %i(site_extended_description show_domain_blocks show_domain_blocks_rationale),
    'registrations' => %i(registrations_mode closed_registrations_message require_invite_text captcha_enabled),
    'content_retention' => %i(media_cache_retention_period content_cache_retention_period backups_retention_period),
    'discovery' => %i(trends trendable_by_default profile_directory noindex bootstrap_timeline_accounts),
    'appearance' => %i(theme custom_css),
  }.freeze
  KEYS = PAGES.values.flatten.freeze
  INTEGER_KEYS = %i(media_cache_retention_period content_cache_retention_period backups_retention_period).freeze
  BOOLEAN_KEYS = %i(require_invite_text captcha_enabled trends trendable_by_default profile_directory noindex).freeze

  attr_accessor(*KEYS)

  def self.given(key)
    -> { instance_variable_defined?("@#{key}") }
  end

  validates :registrations_mode, inclusion: { in: %w(open approved none) }, if: given(:registrations_mode)
  validates :site_contact_email, presence: true, if: given(:site_contact_email)
  validates :site_contact_username, presence: true, if: given(:site_contact_username)
  validates :site_short_description, length: { maximum: 200 }, if: given(:site_short_description)
  INTEGER_KEYS.each { |key| validates key, numericality: { only_integer: true }, allow_blank: true, if: given(key) }
  validate :contact_exists, if: given(:site_contact_username)

  def save
    return false unless valid?

    KEYS.each do |key|
      Setting[key] = typecast(key, public_send(key)) if instance_variable_defined?("@#{key}")
    end
    true
  end

  private

  def typecast(key, value)
    return value == '1' if BOOLEAN_KEYS.include?(key)
    return value.presence && Integer(value) if INTEGER_KEYS.include?(key)

    value
  end

  def contact_exists
    return if site_contact_username.blank? || Account.find_local(site_contact_username.delete_prefix('@'))

    errors.add(:site_contact_username, :invalid)
  end
end
