# frozen_string_literal: true

class AddTimeZoneToUsers < ActiveRecord::Migration[7.2]
  def up
    add_column :users, :time_zone, :string, if_not_exists: true
  end

  def down
    remove_column :users, :time_zone
  end
end
