# frozen_string_literal: true

# The identities that other servers ask for.
class ActorsController < ApplicationController
  def instance
    expires_in 10.minutes, public: true
    render_actor(Account.representative, 'Application')
  end

  def show
    account = Account.local.without_internal.find(params[:id])
    return respond_with_error(410) if account.suspended?

    expires_in 3.minutes, public: true
    render_actor(account, 'Person')
  end

  private

  def render_actor(account, type)
    uri = account.uri_for_federation
    render content_type: 'application/activity+json', body: {
      '@context': %w(https://www.w3.org/ns/activitystreams https://w3id.org/security/v1),
      id: uri, type: type, inbox: "#{uri}/inbox", outbox: "#{uri}/outbox",
      preferredUsername: account.instance_actor? ? Rails.configuration.x.local_domain : account.username,
      url: account.url, manuallyApprovesFollowers: account.locked,
      publicKey: { id: account.keypairs.first&.uri || "#{uri}#main-key", owner: uri, publicKeyPem: account.public_key_pem },
    }.to_json
  end
end
