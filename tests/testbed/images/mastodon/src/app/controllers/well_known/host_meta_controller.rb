# frozen_string_literal: true

class WellKnown::HostMetaController < ActionController::Base
  def show
    expires_in 3.days, public: true
    render content_type: 'application/xrd+xml', body: <<~XML
      <?xml version="1.0" encoding="UTF-8"?>
      <XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">
        <Link rel="lrdd" template="https://#{Rails.configuration.x.web_domain}/.well-known/webfinger?resource={uri}"/>
      </XRD>
    XML
  end
end
