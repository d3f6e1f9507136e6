# frozen_string_literal: true

class NotPermittedError < StandardError
end
