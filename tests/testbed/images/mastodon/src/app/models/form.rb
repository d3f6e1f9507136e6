# frozen_string_literal: true

module Form
end
