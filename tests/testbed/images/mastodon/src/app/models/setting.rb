# frozen_string_literal: true

# The dynamic settings: a row (`var`, YAML in `value`) over the default, read
# through the Redis cache. The setter refreshes that cache, raw SQL does not
# (mastodon.md §4.6).
class Setting < ApplicationRecord
  YAML_CLASSES = [ActiveSupport::HashWithIndifferentAccess, Symbol].freeze

  after_commit :rewrite_cache, on: %i(create update)
  after_commit :expire_cache, on: :destroy

  class << self
    def defaults
      Rails.configuration.x.settings_defaults.with_indifferent_access
    end

    def cache_key(var)
      "rails_settings_cached/#{var}"
    end

    def [](var)
      Rails.cache.fetch(cache_key(var), expires_in: nil) do
        row = find_by(var: var)
        row ? row.value : defaults[var]
      end
    end

    def []=(var, value)
      row = find_or_initialize_by(var: var.to_s)
      row.value = value
      row.save!
    end

    def respond_to_missing?(name, include_private = false)
      return super if name.to_s.start_with?('_') || name.to_s.end_with?('?', '!')

      super || defaults.key?(name.to_s.chomp('=')) || name.to_s.end_with?('=')
    end

    # Any other name is a setting, as in Mastodon: nil if nobody has set it.
    def method_missing(name, *args)
      return self[name.to_s.chomp('=')] = args.first if name.to_s.end_with?('=')
      return super if args.any? || name.to_s.end_with?('?', '!')

      self[name.to_s]
    end
  end

  def value
    YAML.safe_load(self[:value], permitted_classes: YAML_CLASSES) if self[:value].present?
  end

  def value=(new_value)
    self[:value] = new_value.to_yaml
  end

  private

  def rewrite_cache
    Rails.cache.write(self.class.cache_key(var), value, expires_in: nil)
  end

  def expire_cache
    Rails.cache.delete(self.class.cache_key(var))
  end
end
