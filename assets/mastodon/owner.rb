# frozen_string_literal: true

# Makes the owner and seeds the settings, with Mastodon's own classes and in the order of `tootctl accounts create`.
# The values stand before this text, as JSON in TOOTSTRAP_GIVEN: what comes over standard input is kept nowhere.
# The last line that begins with the marker tells what was done.
require 'json'

module TootstrapOwner
  MARKER = 'tootstrap-owner: '
  GIVEN = JSON.parse(TOOTSTRAP_GIVEN)

  module_function

  def run
    account = Account.find_local(GIVEN.fetch('owner')) || Account.new(username: GIVEN.fetch('owner'))
    role = UserRole.find_by(name: 'Owner')
    return settled('present') { finish(account.user) if unfinished?(account.user, role) } if account.user
    return settled('somebody else') unless GIVEN.fetch('create')
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
      email: GIVEN.fetch('email'), password: GIVEN.fetch('password'), agreement: true,
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
    GIVEN.fetch('settings').reject { |name, _| Setting.exists?(var: name) }.each { |name, value| Setting[name] = value }.keys
  end
end

$stdout.puts("\n#{TootstrapOwner::MARKER}#{JSON.generate(TootstrapOwner.run)}")
$stdout.flush
