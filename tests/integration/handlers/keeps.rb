# Functions for ruby_client.rb: one keeps what it need not, one has much to keep from the start and
# makes garbage for a collector that seldom runs.
require "json"

CUSTOMERS = {}
CATALOGUE = if ENV["KEEPS"] == "catalogue"
              Array.new(150_000) { |i| { id: i, name: "product number #{i} of the catalogue" } }
            else
              []
            end

def remember_customer(number)
  CUSTOMERS[number] = { "name" => "customer #{number}", "notes" => "x" * 800 }
end

def handler(event:, context:)
  150.times { |i| remember_customer(CUSTOMERS.size + i) } if ENV["KEEPS"] == "customers"
  JSON.parse(JSON.generate(CATALOGUE.first(300)))
  { "customers" => CUSTOMERS.size }
end
