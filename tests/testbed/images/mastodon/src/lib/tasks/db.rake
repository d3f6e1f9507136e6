# frozen_string_literal: true

# The parts of mastodon.md §3.1-3.2 that are Mastodon's own or newer than Debian's Rails.
namespace :db do
  namespace :encryption do
    Rake::Task['db:encryption:init'].clear

    desc 'Generate a set of keys for configuring Active Record encryption in a given environment'
    task init: :environment do
      set = ENCRYPTION_KEYS.select { |key| ENV[key].present? }
      if set.any? && ENV['IGNORE_ALREADY_SET_SECRETS'] != 'true'
        names = set.map { |key| "- #{key}" }.join("\n")
        abort <<~MESSAGE
          Active Record encryption is already set up, and generating new values would make the old data unreadable:
          #{names}
          Set IGNORE_ALREADY_SET_SECRETS=true to generate new values all the same.
        MESSAGE
      end

      puts 'Add the following secret environment variables to your Mastodon environment (e.g. .env.production), ensure they are shared across all your nodes and do not change them after they are set:'
      puts
      ENCRYPTION_KEYS.each { |key| puts "#{key}=#{SecureRandom.alphanumeric(32)}" }
    end
  end

  namespace :migrate do
    desc 'Setup the db or migrate depending on state of db'
    task setup: :environment do
      version = ActiveRecord::Base.connection_pool.migration_context.current_version
      next Rake::Task['db:setup'].invoke if version.nil? # there is no such database

      Rake::Task['db:migrate'].invoke
      Rake::Task['db:seed'].invoke if version.zero?
    end
  end

  # Rails 8 loads the schema instead of running every migration on an empty database.
  task load_schema_if_empty: :environment do
    next if ActiveRecord::Base.connection_pool.schema_migration.table_exists?

    ActiveRecord::Tasks::DatabaseTasks.load_schema_current
  end

  task pre_migration_check: :environment do
    version = ActiveRecord::Base.connection.select_value("SELECT current_setting('server_version_num')").to_i
    abort 'This version of Mastodon requires PostgreSQL 14.0 or newer. Please update PostgreSQL before updating Mastodon.' if version < 140_000

    schema = ActiveRecord::Base.connection_pool.migration_context.current_version
    if ENV.key?('SKIP_POST_DEPLOYMENT_MIGRATIONS') && schema.positive? && schema < 2024_10_07_071624
      abort 'Zero-downtime migrations from Mastodon versions earlier than 4.3.0 are not supported.'
    end
  end

  Rake::Task['db:migrate'].enhance(%w(db:pre_migration_check db:load_schema_if_empty))
end
