# frozen_string_literal: true

OauthApplication.create_with(
  redirect_uri: 'urn:ietf:wg:oauth:2.0:oob', scopes: 'read write follow push'
).find_or_create_by!(superapp: true, name: 'Web')
