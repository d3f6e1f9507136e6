# frozen_string_literal: true

# mastodon.md §6: 404 unknown, 400 malformed, 410 suspended; works for the instance itself before any user exists.
class WellKnown::WebfingerController < ActionController::Base
  class InvalidRequest < StandardError
  end

  rescue_from ActiveRecord::RecordNotFound, with: -> { refuse(404) }
  rescue_from ActionController::ParameterMissing, InvalidRequest, with: -> { refuse(400) }

  def show
    account = find_account
    return refuse(410) if account.suspended?

    expires_in 3.days, public: true
    render body: document(account).to_json, content_type: 'application/jrd+json'
  end

  private

  def find_account
    name, domain = name_and_domain(params.require(:resource).to_s)
    raise ActiveRecord::RecordNotFound unless domains.include?(domain)
    return Account.representative if domains.include?(name.downcase)

    Account.without_internal.find_local!(name)
  end

  def name_and_domain(resource)
    case resource
    when %r{\Ahttps?://([^/]+)/(?:@|users/)([^/]+)\z} then [Regexp.last_match(2), Regexp.last_match(1).downcase]
    when %r{\Ahttps?://([^/]+)/ap/users/(\d+)\z} then [Account.local.find(Regexp.last_match(2)).username, Regexp.last_match(1).downcase]
    when /\A(?:acct:)?@?([^@:]+)@([^@]+)\z/ then [Regexp.last_match(1), Regexp.last_match(2).downcase]
    else raise InvalidRequest
    end
  end

  def domains
    config = Rails.configuration.x
    [config.local_domain, config.web_domain, *config.alternate_domains]
  end

  def document(account)
    uri = account.uri_for_federation
    profile = account.instance_actor? ? "https://#{Rails.configuration.x.web_domain}/about/more?instance_actor=true" : account.url
    {
      subject: "acct:#{account.local_username_and_domain}",
      aliases: [profile, uri],
      links: [
        { rel: 'http://webfinger.net/rel/profile-page', type: 'text/html', href: profile },
        { rel: 'self', type: 'application/activity+json', href: uri },
      ],
    }
  end

  def refuse(code)
    expires_in(3.minutes, public: true)
    head code
  end
end
