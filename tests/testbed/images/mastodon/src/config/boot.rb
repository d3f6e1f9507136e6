# frozen_string_literal: true

# mastodon.md §2.2: the text is Mastodon's.
abort 'The RAILS_ENV environment variable is not set.' if ENV['RAILS_ENV'].to_s.empty?

ENV['BUNDLE_GEMFILE'] ||= File.expand_path('../Gemfile', __dir__)
require 'bundler/setup'
