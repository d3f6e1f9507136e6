# frozen_string_literal: true

class ManifestsController < ApplicationController
  def show
    expires_in 3.minutes, public: true
    render_cached_json('manifest') do
      { id: '/home', name: Setting.site_title, short_name: Setting.site_title, start_url: '/', scope: '/', display: 'standalone', icons: [] }
    end
  end
end
