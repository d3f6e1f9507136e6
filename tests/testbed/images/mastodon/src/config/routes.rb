# frozen_string_literal: true

Rails.application.routes.draw do
  root 'home#index'

  get 'health', to: 'health#show'

  # Mastodon's `authenticate :user, ->(user) { user.role&.can?(:view_devops) }`:
  # strangers are sent to the sign-in page, other users get 404.
  constraints(->(request) { CurrentUser.of(request)&.role&.can?(:view_devops) }) do
    mount Sidekiq::Web, at: 'sidekiq', as: :sidekiq
  end
  constraints(->(request) { CurrentUser.of(request).nil? }) do
    match '/sidekiq(/*any)', to: 'auth/sessions#required', via: :all, format: false
  end

  scope '/.well-known', module: :well_known, format: false do
    get 'host-meta', to: 'host_meta#show'
    get 'nodeinfo', to: 'node_info#index'
    get 'webfinger', to: 'webfinger#show'
  end
  get '/nodeinfo/2.0', to: 'well_known/node_info#show', format: false

  get '/manifest', to: 'manifests#show', defaults: { format: 'json' }
  get '/actor', to: 'actors#instance'
  get '/ap/users/:id', to: 'actors#show'
  get '/@:username', to: 'home#profile', format: false, constraints: { username: %r{[^/]+} }
  get '/about', to: 'home#index'

  scope '/auth', module: :auth do
    get 'sign_in', to: 'sessions#new'
    post 'sign_in', to: 'sessions#create'
    match 'sign_out', to: 'sessions#destroy', via: :delete
    get 'sign_up', to: 'registrations#new'
    post '/', to: 'registrations#create'
    get 'edit', to: 'registrations#edit'
    get 'confirmation', to: 'confirmations#show'
  end

  namespace :admin do
    get '/settings', to: redirect('/admin/settings/branding')
    get '/settings/edit', to: redirect('/admin/settings/branding')
    Form::AdminSettings::PAGES.each_key do |page|
      get "/settings/#{page}", to: 'settings#show', defaults: { page: page }
      match "/settings/#{page}", to: 'settings#update', via: %i(put patch), defaults: { page: page }
    end
  end

  namespace :api, defaults: { format: 'json' } do
    namespace :v1 do
      get 'instance', to: '/api/instances#v1'
      post 'statuses', to: '/api/statuses#create'
    end
    namespace :v2 do
      get 'instance', to: '/api/instances#v2'
    end
  end

  match '*unmatched_route', via: :all, to: 'application#raise_not_found', format: false
end
