# frozen_string_literal: true

# Boot refusals of mastodon.md §2.2, with Mastodon's texts.

ENCRYPTION_KEYS = %w(
  ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY
  ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT
  ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY
).freeze

ENCRYPTION_KEYS.each { |key| ENV[key] = SecureRandom.hex } if ENV['SECRET_KEY_BASE_DUMMY']

# `db:encryption:init` has to run before there are any keys.
making_keys = defined?(Rake) && Rake.application.top_level_tasks.include?('db:encryption:init')

if !making_keys && ENCRYPTION_KEYS.any? { |key| ENV[key].blank? }
  abort <<~MESSAGE

    Mastodon now requires that these variables are set:

    #{ENCRYPTION_KEYS.map { |key| "  - #{key}" }.join("\n")}

    Run `bin/rails db:encryption:init` to generate new secrets and then assign the environment variables.
  MESSAGE
end

ENCRYPTION_KEYS.each do |key|
  next unless Rails.env.production? && ENV[key].to_s.end_with?('DO_NOT_USE_IN_PRODUCTION')

  abort <<~MESSAGE

    It looks like you are trying to run Mastodon in production with a #{key} value from the test environment.

    Please generate fresh secrets using `bin/rails db:encryption:init` and use them instead.
  MESSAGE
end

Rails.application.configure do
  config.active_record.encryption.deterministic_key = ENV.fetch('ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY', nil)
  config.active_record.encryption.key_derivation_salt = ENV.fetch('ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT', nil)
  config.active_record.encryption.primary_key = ENV.fetch('ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY', nil)
end

# Read once at boot, as Devise does: a missing SECRET_KEY_BASE must not wait for the first session.
Rails.application.secret_key_base
