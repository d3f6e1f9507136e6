# frozen_string_literal: true

# Makes the owner and seeds the settings, with Mastodon's own classes and in the order of `tootctl accounts create`.
# Values come through the environment. The last line that begins with the marker tells what was done.
require 'json'

MARKER = 'tootstrap-owner: '

def tell(result)
  $stdout.puts("\n#{MARKER}#{JSON.generate(result)}")
  $stdout.flush
end

def finish(user)
  user.mark_email_as_confirmed! unless user.confirmed?
  user.approve! unless user.approved?
end

def create(account, role)
  user = User.new(
    email: ENV.fetch('TOOTSTRAP_OWNER_EMAIL'), password: ENV.fetch('TOOTSTRAP_OWNER_PASSWORD'), agreement: true,
    role_id: role.id, confirmed_at: Time.now.utc, bypass_registration_checks: true
  )
  account.suspended_at = nil
  user.account = account
  return user.errors unless user.save

  user.confirmed_at = nil
  finish(user)
  nil
end

# What the web interface owns is given a first value and never touched again.
def seed
  wanted = JSON.parse(ENV.fetch('TOOTSTRAP_SETTINGS'))
  wanted.reject { |name, _| Setting.exists?(var: name) }.each { |name, value| Setting[name] = value }.keys
end

# A crash after the first save leaves an owner who is not confirmed or not approved and has never signed in.
def unfinished?(user, role)
  user.role_id == role&.id && user.sign_in_count.zero? && !(user.confirmed? && user.approved?)
end

name = ENV.fetch('TOOTSTRAP_OWNER')
role = UserRole.find_by(name: 'Owner')
account = Account.find_local(name) || Account.new(username: name)
user = account.user

errors = nil
if user
  finish(user) if unfinished?(user, role)
elsif role
  errors = create(account, role)&.map { |error| [error.attribute.to_s, error.type.to_s] }
else
  errors = [%w(role missing)]
end

if errors
  tell(errors: errors)
else
  tell(owner: user ? 'present' : 'created', seeded: seed)
end
