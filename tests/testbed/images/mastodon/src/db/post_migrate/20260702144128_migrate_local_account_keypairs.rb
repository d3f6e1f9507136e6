# frozen_string_literal: true

# 4.7 moves the signing keys of local accounts into `keypairs`, where the
# private key is encrypted (mastodon.md §0.4).
class MigrateLocalAccountKeypairs < ActiveRecord::Migration[7.2]
  def up
    Account.local.where.not(private_key: [nil, '']).find_each do |account|
      account.keypairs.find_or_create_by!(uri: "#{account.uri_for_federation}#main-key") do |keypair|
        keypair.public_key = account.public_key
        keypair.private_key = account.private_key
      end
      account.update_columns(private_key: '', public_key: '')
    end
  end

  def down
    raise ActiveRecord::IrreversibleMigration
  end
end
