# frozen_string_literal: true

# The JSON of /api/v1/instance and /api/v2/instance (mastodon.md §6).
module InstanceDocument
  module_function

  def v2
    {
      domain: Rails.configuration.x.local_domain,
      title: Setting.site_title,
      version: Mastodon::Version.to_s,
      source_url: 'https://github.com/mastodon/mastodon',
      description: Setting.site_short_description,
      usage: { users: { active_month: ActivityTracker.active_users(4) } },
      thumbnail: { url: "https://#{Rails.configuration.x.web_domain}/packs/preview.png" },
      languages: [ENV.fetch('DEFAULT_LOCALE', 'en')],
      configuration: configuration,
      registrations: registrations,
      api_versions: Mastodon::Version.api_versions,
      contact: { email: Setting.site_contact_email, account: contact },
      rules: [],
    }
  end

  def v1
    {
      uri: Rails.configuration.x.local_domain,
      title: Setting.site_title,
      short_description: Setting.site_short_description,
      email: Setting.site_contact_email,
      version: Mastodon::Version.to_s,
      urls: { streaming_api: Rails.configuration.x.streaming_api_base_url },
      stats: {
        user_count: InstanceFacts.user_count, status_count: InstanceFacts.status_count, domain_count: InstanceFacts.domain_count,
      },
      languages: [ENV.fetch('DEFAULT_LOCALE', 'en')],
      registrations: InstanceFacts.registrations_enabled?,
      approval_required: Setting.registrations_mode == 'approved',
      invites_enabled: UserRole.everyone.can?(:invite_users),
      contact_account: contact,
      rules: [],
    }
  end

  def configuration
    web = "https://#{Rails.configuration.x.web_domain}"
    {
      urls: { streaming: Rails.configuration.x.streaming_api_base_url, about: "#{web}/about", privacy_policy: "#{web}/privacy-policy" },
      vapid: { public_key: Rails.configuration.x.vapid_public_key },
      accounts: { max_note_length: Account::NOTE_LENGTH_LIMIT, max_display_name_length: Account::DISPLAY_NAME_LENGTH_LIMIT },
      statuses: { max_characters: 500, max_media_attachments: 4, characters_reserved_per_url: 23 },
      media_attachments: { image_size_limit: 16.megabytes, video_size_limit: 99.megabytes },
      limited_federation: ENV['LIMITED_FEDERATION_MODE'] == 'true',
    }
  end

  def registrations
    approval = Setting.registrations_mode == 'approved'
    enabled = InstanceFacts.registrations_enabled?
    {
      enabled: enabled,
      approval_required: approval,
      reason_required: approval && Setting.require_invite_text,
      message: enabled ? nil : Setting.closed_registrations_message.presence,
      min_age: nil,
      url: ENV['SSO_ACCOUNT_SIGN_UP'],
    }
  end

  def contact
    account = InstanceFacts.contact_account || return
    {
      id: account.id.to_s, username: account.username, acct: account.acct, display_name: account.display_name,
      locked: account.locked, created_at: account.created_at.iso8601, note: account.note, url: account.url, uri: account.uri,
    }
  end
end
