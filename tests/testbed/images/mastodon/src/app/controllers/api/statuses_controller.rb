# frozen_string_literal: true

# POST /api/v1/statuses as an app sends it: a bearer token, a text, an answer once the row is committed and the job enqueued.
class Api::StatusesController < ActionController::API
  def create
    user = poster
    return render(json: { error: 'The access token is invalid' }, status: :unauthorized) unless user
    return render(json: { error: "Validation failed: Text can't be blank" }, status: :unprocessable_entity) if params[:status].blank?

    status = user.account.statuses.create!(text: params[:status].to_s, local: true, uri: "#{user.account.uri}/statuses/#{SecureRandom.uuid}")
    DistributionWorker.perform_async(status.id)
    render json: StatusDocument.of(status)
  end

  private

  def poster
    secret = request.authorization.to_s[/\ABearer (.+)\z/, 1]
    token = secret && OauthAccessToken.find_by(token: secret, revoked_at: nil)
    User.find_by(id: token.resource_owner_id) if token
  end
end
