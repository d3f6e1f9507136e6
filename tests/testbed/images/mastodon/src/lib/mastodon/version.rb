# frozen_string_literal: true

module Mastodon
  # The version that the stand-in claims to be; the image build sets it.
  module Version
    module_function

    def to_s
      ENV.fetch('STAND_IN_VERSION', '4.7.4')
    end

    # The pinned API level of 4.6 (mastodon.md §6); 4.7's is not known here.
    def api_versions
      { mastodon: 11 }
    end

    # What `ps` shows of Sidekiq 8, as the official health check greps (mastodon.md §1.4).
    def sidekiq
      '8.1.1'
    end
  end
end
