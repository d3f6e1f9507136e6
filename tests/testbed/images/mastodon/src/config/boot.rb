# frozen_string_literal: true

# mastodon.md §2.2: the text is Mastodon's.
abort 'The RAILS_ENV environment variable is not set.' if ENV['RAILS_ENV'].to_s.empty?

ENV['BUNDLE_GEMFILE'] ||= File.expand_path('../Gemfile', __dir__)
require 'bundler/setup'
require 'bootsnap'

# Filled when the image is built, only read afterwards; not under tmp/, which may be a tmpfs.
Bootsnap.setup(
  cache_dir: File.expand_path('../bootsnap', __dir__),
  load_path_cache: true, compile_cache_iseq: true, compile_cache_yaml: true,
  readonly: !ENV.key?('STAND_IN_BUILD')
)
