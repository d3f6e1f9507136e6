# frozen_string_literal: true

# Who is signed in: the signed cookie names a row of `session_activations`.
module CurrentUser
  COOKIE = '_session_id'

  module_function

  def activation(request)
    id = request.cookie_jar.signed[COOKIE]
    id && SessionActivation.find_by(session_id: id)
  end

  def of(request)
    activation(request)&.user
  end
end
