# frozen_string_literal: true

# Makes the owner and seeds the settings, with Mastodon's own classes and in the order of `tootctl accounts create`.
# Values come through the environment. The last line that begins with the marker tells what was done.
require 'json'

module TootstrapOwner
  MARKER = 'tootstrap-owner: '

  module_function

  def run
    account = Account.find_local(ENV.fetch('TOOTSTRAP_OWNER')) || Account.new(username: ENV.fetch('TOOTSTRAP_OWNER'))
    role = UserRole.find_by(name: 'Owner')
    return settled('present') { finish(account.user) if unfinished?(account.user, role) } if account.user
    return settled('somebody else') unless ENV.fetch('TOOTSTRAP_CREATE') == 'true'
    return { errors: [%w(role missing)] } unless role

    errors = create(account, role)
    errors ? { errors: errors.map { |error| [error.attribute.to_s, error.type.to_s] } } : settled('created')
  end

  def settled(owner)
    yield if block_given?
    { owner: owner, seeded: seed }
  end

  # A crash after the first save leaves an owner who is not confirmed or not approved and has never signed in.
  def unfinished?(user, role)
    user.role_id == role&.id && user.sign_in_count.zero? && !(user.confirmed? && user.approved?)
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

  def finish(user)
    user.mark_email_as_confirmed! unless user.confirmed?
    user.approve! unless user.approved?
  end

  # What the web interface owns is given a first value and never touched again.
  def seed
    wanted = JSON.parse(ENV.fetch('TOOTSTRAP_SETTINGS'))
    wanted.reject { |name, _| Setting.exists?(var: name) }.each { |name, value| Setting[name] = value }.keys
  end
end

$stdout.puts("\n#{TootstrapOwner::MARKER}#{JSON.generate(TootstrapOwner.run)}")
$stdout.flush
