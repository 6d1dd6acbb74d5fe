#include "emu/chardev/parse.h"

#include <gtest/gtest.h>

namespace rhea::chardev {
namespace {

const SocketOptions& socketOf(const Options& options) { return std::get<SocketOptions>(options.backend); }

TEST(ChardevOption, takesAnInheritedListeningSocketAsLibvirtWritesIt) {
  const Result<Options> options = parseChardev("socket,id=charmonitor,fd=28,server=on,wait=off");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->id, "charmonitor");
  EXPECT_EQ(std::get<FdAddress>(socketOf(*options).address).name, "28");
  EXPECT_TRUE(socketOf(*options).server);
  EXPECT_FALSE(socketOf(*options).wait);
}

TEST(ChardevOption, takesTheShortSwitchesOfOlderScripts) {
  const Result<Options> options = parseChardev("socket,id=c,path=/tmp/a,,b,server,nowait");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(std::get<UnixAddress>(socketOf(*options).address).path, "/tmp/a,b");
  EXPECT_TRUE(socketOf(*options).server);
  EXPECT_FALSE(socketOf(*options).wait);
}

TEST(ChardevOption, namesTheNearestOptionForAnUnknownOne) {
  const Result<Options> options = parseChardev("socket,id=c,path=/tmp/a,sever=on");
  ASSERT_FALSE(options.ok());
  EXPECT_EQ(options.error().candidateNames().front(), "server");
}

TEST(ChardevOption, namesTheKindsForAnUnknownOne) {
  const Result<Options> options = parseChardev("sockte,id=c");
  ASSERT_FALSE(options.ok());
  EXPECT_NE(options.error().describe().find("socket"), std::string::npos);
}

TEST(ChardevOption, refusesWhatContradictsItself) {
  EXPECT_FALSE(parseChardev("socket,id=c,path=a,port=1").ok());
  EXPECT_FALSE(parseChardev("socket,id=c,server=on").ok());
  EXPECT_FALSE(parseChardev("socket,id=c,path=a,wait=on").ok());
  EXPECT_FALSE(parseChardev("socket,id=c,path=a,server=on,reconnect=1").ok());
  EXPECT_FALSE(parseChardev("file,id=c").ok());
  EXPECT_FALSE(parseChardev("file,path=x").ok());
  EXPECT_FALSE(parseChardev("null,id=c,role=admin").ok());
}

TEST(ChardevOption, namesWhatOtherEmulatorsHaveAndThisOneHasNot) {
  const Result<Options> tls = parseChardev("socket,id=c,host=::1,port=1,tls-creds=tls0");
  ASSERT_FALSE(tls.ok());
  EXPECT_NE(tls.error().message().find("no TLS"), std::string::npos) << tls.error().message();
  EXPECT_FALSE(parseChardev("socket,id=c,host=::1,port=1,server=on,websocket=on").ok());
  EXPECT_TRUE(parseChardev("socket,id=c,host=::1,port=1,server=on,websocket=off").ok());
}

TEST(ChardevOption, takesALogForEveryKind) {
  for (const KindHelp& kind : kinds()) {
    const std::string text = std::string(kind.name) + ",id=c,logfile=/l,logappend=on";
    for (const char* more : {"", ",path=/p", ",port=1", ",chardev=d"}) {
      const Result<Options> options = parseChardev(text + more);
      if (!options.ok()) continue;
      ASSERT_TRUE(options->log) << text;
      EXPECT_EQ(options->log->file, "/l");
      EXPECT_TRUE(options->log->append);
    }
  }
  EXPECT_FALSE(parseChardev("null,id=c,logappend=on").ok());
}

TEST(ShortChardevForm, takesDatagramsWithBothAddresses) {
  const Result<ShortForm> form = parseShortForm("udp:10.0.0.1:4555@:4556", "c");
  ASSERT_TRUE(form.ok());
  const auto& udp = std::get<UdpOptions>(form->options.backend);
  EXPECT_EQ(udp.remote.host, "10.0.0.1");
  EXPECT_EQ(udp.remote.port, "4555");
  ASSERT_TRUE(udp.local);
  EXPECT_EQ(udp.local->host, "");
  EXPECT_EQ(udp.local->port, "4556");
  EXPECT_TRUE(socketOf(parseShortForm("telnet:[::1]:4444,server=on", "c")->options).telnet);
}

TEST(ShortChardevForm, takesWhatMonitorsTake) {
  const Result<ShortForm> form = parseShortForm("unix:/run/a,,b.sock,server=on,wait=off", "compat_monitor0");
  ASSERT_TRUE(form.ok());
  EXPECT_EQ(form->options.id, "compat_monitor0");
  EXPECT_EQ(std::get<UnixAddress>(socketOf(form->options).address).path, "/run/a,b.sock");

  const Result<ShortForm> tcp = parseShortForm("tcp:[::1]:4444,server=on,wait=off,role=read-only", "m");
  ASSERT_TRUE(tcp.ok());
  EXPECT_EQ(std::get<TcpAddress>(socketOf(tcp->options).address).host, "::1");
  EXPECT_EQ(std::get<TcpAddress>(socketOf(tcp->options).address).port, "4444");
  EXPECT_EQ(tcp->options.role, Role::kReadOnly);

  EXPECT_TRUE(parseShortForm("none", "m")->none);
  EXPECT_EQ(parseShortForm("chardev:c0", "m")->existing, "c0");
  const Result<ShortForm> shared = parseShortForm("mon:stdio", "serial0");
  ASSERT_TRUE(shared.ok());
  EXPECT_TRUE(shared->withMonitor);
  EXPECT_TRUE(shared->options.mux);
  EXPECT_TRUE(std::holds_alternative<StdioOptions>(shared->options.backend));
}

TEST(ShortChardevForm, saysWhatItCouldBe) {
  const Result<ShortForm> form = parseShortForm("unx:/run/a", "m");
  ASSERT_FALSE(form.ok());
  EXPECT_NE(form.error().describe().find("unix:"), std::string::npos);
  EXPECT_FALSE(parseShortForm("tcp:4444,server=on", "m").ok());
  EXPECT_FALSE(parseShortForm("stdiox", "m").ok());
}

}  // namespace
}  // namespace rhea::chardev
