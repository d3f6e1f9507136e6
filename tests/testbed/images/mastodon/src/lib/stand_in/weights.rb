# frozen_string_literal: true

require 'yaml'

module StandIn
  # Makes processes as heavy as Mastodon's where time or memory is measured:
  # only if STAND_IN_WEIGHTS=real (or the file config/weights-on exists).
  # The figures and where they come from: weights.yml.
  module Weights
    FILE = File.expand_path('../../weights.yml', __dir__)
    SWITCH = File.expand_path('../../config/weights-on', __dir__)
    MEBIBYTE = 1024 * 1024

    module_function

    def real?
      ENV['STAND_IN_WEIGHTS'] == 'real' || File.exist?(SWITCH)
    end

    # Burns what a Rails boot of Mastodon costs more than ours, in CPU seconds.
    def apply_boot
      return unless real?

      nil while Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID) < figure('boot_cpu_seconds')
    end

    # Fills the process up to the resident size of Mastodon's (in MiB).
    def apply_memory(process)
      return unless real?

      missing = figure('resident_mib').fetch(process) - resident_mib
      (@ballast ||= []) << Random.bytes(missing * MEBIBYTE) if missing.positive?
    end

    def figure(name)
      YAML.load_file(FILE).fetch(name).fetch('value')
    end

    def resident_mib
      File.read('/proc/self/status')[/^VmRSS:\s+(\d+)/, 1].to_i / 1024
    end
  end
end
