# frozen_string_literal: true

# mastodon.md §3.3; safe to run again.
Dir[File.join(__dir__, 'seeds', '*.rb')].sort.each { |seed| load seed }
