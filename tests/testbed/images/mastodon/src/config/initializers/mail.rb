# frozen_string_literal: true

# mastodon.md §2.7.
starttls = ENV.fetch('SMTP_ENABLE_STARTTLS') { ENV['SMTP_ENABLE_STARTTLS_AUTO'] == 'false' ? 'never' : 'auto' }
implicit_tls = ENV['SMTP_TLS'] == 'true' || ENV['SMTP_SSL'] == 'true'
method = ENV.fetch('SMTP_AUTH_METHOD', 'plain')

Rails.application.configure do
  config.action_mailer.delivery_method = ENV.fetch('SMTP_DELIVERY_METHOD', 'smtp').to_sym
  config.action_mailer.default_options = {
    from: ENV.fetch('SMTP_FROM_ADDRESS', 'notifications@localhost'),
    reply_to: ENV['SMTP_REPLY_TO'],
  }.compact
  config.action_mailer.smtp_settings = {
    address: ENV.fetch('SMTP_SERVER', 'localhost'),
    port: ENV['SMTP_PORT'].presence&.to_i,
    user_name: ENV['SMTP_LOGIN'].presence,
    password: ENV['SMTP_PASSWORD'].presence,
    domain: ENV['SMTP_DOMAIN'] || ENV['LOCAL_DOMAIN'],
    authentication: method == 'none' ? nil : method.to_sym,
    openssl_verify_mode: ENV['SMTP_OPENSSL_VERIFY_MODE'].presence,
    enable_starttls: starttls == 'always' && !implicit_tls,
    enable_starttls_auto: starttls == 'auto' && !implicit_tls,
    tls: ENV['SMTP_TLS'] == 'true' || nil,
    ssl: ENV['SMTP_SSL'] == 'true' || nil,
    read_timeout: 20,
  }.compact
end
