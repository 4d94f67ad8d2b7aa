#include "postgres/conninfo.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "support/test_database.h"

namespace pgtally::pg {
namespace {

Endpoint endpoint(const std::string& conninfo) {
  auto connection = Connection::open(conninfo);
  if (!connection.ok()) throw std::runtime_error(connection.error().message);
  auto made = endpoint_of(conninfo, *connection);
  if (!made.ok()) throw std::runtime_error(made.error().message);
  return std::move(made).value();
}

TEST(Endpoint, leads_to_the_same_database_without_the_environment) {
  const test::TestDatabase database;
  const Endpoint made = endpoint(database.conninfo());
  auto again = Connection::open(made.conninfo);
  ASSERT_TRUE(again.ok()) << again.error().message;
  const auto name = again->query("SELECT current_database()::text");
  EXPECT_EQ(*name->get<std::string>(0, 0), database.name());
  EXPECT_NE(made.conninfo.find("user="), std::string::npos);
  EXPECT_NE(made.conninfo.find("port="), std::string::npos);
  EXPECT_TRUE(made.place.ends_with("/" + database.name())) << made.place;
}

TEST(Endpoint, keeps_a_password_that_was_given_and_does_not_show_it) {
  const test::TestDatabase database;
  const Endpoint made = endpoint(database.conninfo() + " password='it\\'s a secret'");
  EXPECT_NE(made.conninfo.find("secret"), std::string::npos);
  EXPECT_EQ(made.shown.find("secret"), std::string::npos);
  EXPECT_EQ(made.place.find("secret"), std::string::npos);
  EXPECT_TRUE(Connection::open(made.conninfo).ok());
}

TEST(Endpoint, is_recognised_by_what_was_given_for_it) {
  const test::TestDatabase database;
  const Endpoint made = endpoint(database.conninfo());
  EXPECT_TRUE(leads_to(database.conninfo(), made.conninfo));
  EXPECT_TRUE(leads_to(database.conninfo() + " password=other", made.conninfo));
  EXPECT_FALSE(leads_to(database.conninfo() + " dbname=another", made.conninfo));
  EXPECT_FALSE(leads_to("://", made.conninfo));
}

TEST(Password, is_taken_out_of_uris_and_keywords_and_out_of_what_cannot_be_read) {
  for (const char* conninfo : {"postgresql://me:secret@h/db", "host=h password=secret dbname=db",
                               "postgresql://me@h/db?password=secret",
                               "postgresql://me:secret@h:x:y/db?z", "password='secret"}) {
    EXPECT_EQ(without_password(conninfo).find("secret"), std::string::npos) << conninfo;
  }
  EXPECT_NE(without_password("postgresql://me:secret@h/db").find("h"), std::string::npos);
}

}  // namespace
}  // namespace pgtally::pg
