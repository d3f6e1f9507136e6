# frozen_string_literal: true

# A post as the API and the streaming server show it; a part of Mastodon's fields.
module StatusDocument
  module_function

  def of(status)
    {
      id: status.id.to_s, created_at: status.created_at.utc.iso8601(3), uri: status.uri, visibility: 'public',
      content: "<p>#{ERB::Util.html_escape(status.text)}</p>", account: { id: status.account_id.to_s, acct: status.account.acct },
    }
  end
end
