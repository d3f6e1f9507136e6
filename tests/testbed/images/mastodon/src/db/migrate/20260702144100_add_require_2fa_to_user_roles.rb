# frozen_string_literal: true

# Repeatable, as migrations of 4.7.1 and later are (mastodon.md §3.4).
class AddRequire2faToUserRoles < ActiveRecord::Migration[7.2]
  def up
    add_column :user_roles, :require_2fa, :boolean, default: false, null: false, if_not_exists: true
  end

  def down
    remove_column :user_roles, :require_2fa
  end
end
