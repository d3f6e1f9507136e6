# frozen_string_literal: true

Rails.application.config.session_store :cookie_store, key: '_mastodon_session', same_site: :lax
Rails.application.config.filter_parameters += %i(password otp_attempt)
