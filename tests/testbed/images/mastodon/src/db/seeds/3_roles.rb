# frozen_string_literal: true

UserRole.everyone

YAML.load_file(Rails.root.join('config/roles.yml')).each_value do |role|
  UserRole.create_with(
    position: role['position'], permissions_as_keys: role['permissions'], highlighted: true
  ).find_or_create_by!(name: role['name'])
end
