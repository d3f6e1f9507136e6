# frozen_string_literal: true

# A signing key. The private half is encrypted with the ACTIVE_RECORD_ENCRYPTION_*
# keys: with other values reading it raises (mastodon.md §0.4, §6 row /actor).
class Keypair < ApplicationRecord
  self.inheritance_column = nil

  encrypts :private_key

  belongs_to :account, inverse_of: :keypairs
end
