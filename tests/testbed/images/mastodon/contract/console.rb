# Run by `rails runner` for the contract tests: answers one JSON question per line, {"ruby": code} or {"tootctl": [argument]}.

require 'stringio'
require 'tempfile'
require Rails.root.join('lib/mastodon/cli/main')

def evaluate(code)
  output = StringIO.new
  $stdout = output
  eval(code, TOPLEVEL_BINDING.dup)
  { output: output.string, error: nil }
rescue StandardError => e
  { output: output.string, error: e.full_message(highlight: false) }
ensure
  $stdout = STDOUT
end

# What bin/tootctl does, in a child with its own stdout and stderr.
def tootctl(arguments)
  files = Array.new(2) { Tempfile.new }
  child = fork do
    STDOUT.reopen(files[0])
    STDERR.reopen(files[1])
    Mastodon::CLI::Main.start(arguments)
  end
  status = Process.wait2(child).last
  { code: status.exitstatus, stdout: File.read(files[0].path), stderr: File.read(files[1].path) }
end

STDIN.each_line do |line|
  question = JSON.parse(line)
  answer = question.key?('ruby') ? evaluate(question['ruby']) : tootctl(question['tootctl'])
  STDOUT.puts("answer:#{JSON.generate(answer)}")
  STDOUT.flush
end
