# frozen_string_literal: true

EXACT_NAMES = %w(
  abuse account accounts admin administration administrator admins help helpdesk instance mod
  moderator moderators mods owner root security server staff support webmaster
).freeze

EXACT_NAMES.each { |name| UsernameBlock.create_with(exact: true).find_or_create_by!(username: name) }
%w(mastodon mastadon).each { |name| UsernameBlock.create_with(exact: false).find_or_create_by!(username: name) }
