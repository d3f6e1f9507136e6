# frozen_string_literal: true

# The tables of Mastodon that an operator's program meets, with Mastodon's
# column names; everything else of its schema is left out.
ActiveRecord::Schema[7.2].define(version: 2026_08_18_093000) do
  enable_extension 'plpgsql'

  # Ids made of milliseconds and a sequence, as Mastodon's Snowflake function makes them.
  %w(accounts statuses).each { |table| execute "CREATE SEQUENCE IF NOT EXISTS #{table}_id_seq" }
  execute <<~SQL
    CREATE OR REPLACE FUNCTION timestamp_id(table_name text) RETURNS bigint AS $$
      SELECT (floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint << 16)
           | (nextval(table_name || '_id_seq') & 65535)
    $$ LANGUAGE sql VOLATILE
  SQL

  create_table 'accounts', id: :bigint, default: -> { "timestamp_id('accounts'::text)" }, force: :cascade do |t|
    t.string 'username', default: '', null: false
    t.string 'domain'
    t.text 'private_key'
    t.text 'public_key', default: '', null: false
    t.text 'note', default: '', null: false
    t.string 'display_name', default: '', null: false
    t.string 'uri', default: '', null: false
    t.string 'url'
    t.boolean 'locked', default: false, null: false
    t.string 'inbox_url', default: '', null: false
    t.string 'outbox_url', default: '', null: false
    t.string 'shared_inbox_url', default: '', null: false
    t.integer 'protocol', default: 0, null: false
    t.boolean 'memorial', default: false, null: false
    t.bigint 'moved_to_account_id'
    t.string 'actor_type'
    t.boolean 'discoverable'
    t.datetime 'silenced_at', precision: nil
    t.datetime 'suspended_at', precision: nil
    t.integer 'suspension_origin'
    t.integer 'id_scheme', default: 1
    t.timestamps precision: nil
    t.index "lower((username)::text), COALESCE(lower((domain)::text), ''::text)",
            name: 'index_accounts_on_username_and_domain_lower', unique: true
  end

  create_table 'keypairs', force: :cascade do |t|
    t.references 'account', null: false, foreign_key: { on_delete: :cascade }
    t.string 'uri', null: false, index: { unique: true }
    t.integer 'type', null: false, default: 0
    t.string 'public_key', null: false
    t.string 'private_key'
    t.datetime 'expires_at'
    t.boolean 'revoked', default: false, null: false
    t.timestamps
  end

  create_table 'user_roles', force: :cascade do |t|
    t.string 'name', default: '', null: false
    t.string 'color', default: '', null: false
    t.integer 'position', default: 0, null: false
    t.bigint 'permissions', default: 0, null: false
    t.boolean 'highlighted', default: false, null: false
    t.boolean 'require_2fa', default: false, null: false
    t.timestamps
  end

  create_table 'users', force: :cascade do |t|
    t.string 'email', default: '', null: false, index: { unique: true }
    t.string 'encrypted_password', default: '', null: false
    t.string 'reset_password_token'
    t.datetime 'reset_password_sent_at', precision: nil
    t.integer 'sign_in_count', default: 0, null: false
    t.datetime 'current_sign_in_at', precision: nil
    t.datetime 'last_sign_in_at', precision: nil
    t.string 'confirmation_token'
    t.datetime 'confirmed_at', precision: nil
    t.datetime 'confirmation_sent_at', precision: nil
    t.string 'unconfirmed_email'
    t.string 'locale'
    t.string 'otp_secret'
    t.boolean 'otp_required_for_login', default: false, null: false
    t.references 'account', null: false, foreign_key: { on_delete: :cascade }
    t.boolean 'disabled', default: false, null: false
    t.bigint 'invite_id'
    t.bigint 'created_by_application_id'
    t.boolean 'approved', default: true, null: false
    t.inet 'sign_up_ip'
    t.references 'role', foreign_key: { to_table: :user_roles, on_delete: :nullify }
    t.text 'settings'
    t.string 'time_zone'
    t.timestamps precision: nil
  end

  create_table 'settings', force: :cascade do |t|
    t.string 'var', null: false, index: { unique: true }
    t.text 'value'
    t.datetime 'created_at', precision: nil
    t.datetime 'updated_at', precision: nil
  end

  create_table 'statuses', id: :bigint, default: -> { "timestamp_id('statuses'::text)" }, force: :cascade do |t|
    t.string 'uri'
    t.text 'text', default: '', null: false
    t.bigint 'in_reply_to_id'
    t.bigint 'reblog_of_id'
    t.string 'url'
    t.boolean 'sensitive', default: false, null: false
    t.integer 'visibility', default: 0, null: false
    t.text 'spoiler_text', default: '', null: false
    t.boolean 'reply', default: false, null: false
    t.string 'language'
    t.boolean 'local'
    t.references 'account', null: false, foreign_key: { on_delete: :cascade }
    t.datetime 'deleted_at', precision: nil
    t.timestamps precision: nil
  end

  create_table 'username_blocks', force: :cascade do |t|
    t.string 'username', null: false
    t.string 'normalized_username', null: false, index: true
    t.boolean 'exact', default: false, null: false
    t.boolean 'allow_with_approval', default: false, null: false
    t.timestamps
    t.index 'lower((username)::text)', name: 'index_username_blocks_on_username_lower_btree', unique: true
  end

  create_table 'email_domain_blocks', force: :cascade do |t|
    t.string 'domain', default: '', null: false, index: { unique: true }
    t.bigint 'parent_id'
    t.boolean 'allow_with_approval', default: false, null: false
    t.timestamps precision: nil
  end

  create_table 'canonical_email_blocks', force: :cascade do |t|
    t.string 'canonical_email_hash', default: '', null: false, index: { unique: true }
    t.bigint 'reference_account_id'
    t.timestamps
  end

  create_table 'ip_blocks', force: :cascade do |t|
    t.inet 'ip', default: '0.0.0.0', null: false, index: { unique: true }
    t.integer 'severity', default: 0, null: false
    t.datetime 'expires_at', precision: nil
    t.text 'comment', default: '', null: false
    t.timestamps precision: nil
  end

  create_table 'oauth_applications', force: :cascade do |t|
    t.string 'name', null: false
    t.string 'uid', null: false, index: { unique: true }
    t.string 'secret', null: false
    t.text 'redirect_uri', null: false
    t.string 'scopes', default: '', null: false
    t.boolean 'superapp', default: false, null: false, index: true
    t.string 'website'
    t.string 'owner_type'
    t.bigint 'owner_id'
    t.boolean 'confidential', default: true, null: false
    t.timestamps precision: nil, null: true
  end

  create_table 'oauth_access_tokens', force: :cascade do |t|
    t.string 'token', null: false, index: { unique: true }
    t.string 'refresh_token'
    t.integer 'expires_in'
    t.datetime 'revoked_at', precision: nil
    t.datetime 'created_at', precision: nil, null: false
    t.string 'scopes'
    t.references 'application', foreign_key: { to_table: :oauth_applications, on_delete: :cascade }
    t.bigint 'resource_owner_id', index: true
    t.datetime 'last_used_at', precision: nil
    t.inet 'last_used_ip'
  end

  create_table 'session_activations', force: :cascade do |t|
    t.string 'session_id', null: false, index: { unique: true }
    t.string 'user_agent', default: '', null: false
    t.inet 'ip'
    t.references 'access_token', foreign_key: { to_table: :oauth_access_tokens, on_delete: :cascade }
    t.references 'user', null: false, foreign_key: { on_delete: :cascade }
    t.timestamps precision: nil
  end

  create_table 'login_activities', force: :cascade do |t|
    t.references 'user', null: false, foreign_key: { on_delete: :cascade }
    t.string 'authentication_method'
    t.string 'provider'
    t.boolean 'success'
    t.string 'failure_reason'
    t.inet 'ip'
    t.string 'user_agent'
    t.datetime 'created_at', precision: nil
  end

  # A view in Mastodon too: every address a user was seen with.
  execute 'DROP VIEW IF EXISTS user_ips'
  execute <<~SQL
    CREATE VIEW user_ips AS
      SELECT user_id, ip, max(used_at) AS used_at FROM (
        SELECT id AS user_id, sign_up_ip AS ip, created_at AS used_at FROM users WHERE sign_up_ip IS NOT NULL
        UNION ALL SELECT user_id, ip, updated_at FROM session_activations
        UNION ALL SELECT user_id, ip, created_at FROM login_activities WHERE success
      ) AS seen GROUP BY user_id, ip
  SQL
end
