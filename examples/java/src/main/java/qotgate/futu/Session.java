package qotgate.futu;

import com.futu.openapi.FTAPI;
import com.futu.openapi.FTAPI_Conn;
import com.futu.openapi.FTSPI_Conn;
import com.futu.openapi.pb.GetGlobalState;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.util.JsonFormat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import qotgate.pb.QotCommon;
import qotgate.pb.QotGetArkStockDynamic;
import qotgate.pb.QotGetRatingChange;

/**
 * A session of the published client: PORT SECONDS [KEY_FILE]. It connects (encrypted, if there is a key),
 * asks for the global state, sits still for SECONDS, asks both questions, and prints one line for each
 * thing that it is told. It ends with status 0 once both questions are answered.
 */
public final class Session implements FTSPI_Qot, FTSPI_Conn {
    private static final int PATIENCE_SECONDS = 20;

    private final BlockingQueue<String> told = new LinkedBlockingQueue<>();

    public static void main(String[] args) throws IOException, InterruptedException {
        FTAPI.init();
        try (FTAPI_Conn_Qot qot = new FTAPI_Conn_Qot()) {
            new Session().run(qot, args);
        }
        System.exit(0);
    }

    private void run(FTAPI_Conn_Qot qot, String[] args) throws IOException, InterruptedException {
        boolean encrypted = args.length > 2;
        qot.setClientInfo("session", 1);
        qot.setConnSpi(this);
        qot.setQotSpi(this);
        if (encrypted) {
            qot.setRSAPrivateKey(Files.readString(Path.of(args[2])));
        }
        qot.initConnect("127.0.0.1", Integer.parseInt(args[0]), encrypted);
        printNext();
        qot.getGlobalState(GetGlobalState.Request.newBuilder()
                .setC2S(GetGlobalState.C2S.newBuilder().setUserID(0)).build());
        printNext();
        TimeUnit.SECONDS.sleep(Integer.parseInt(args[1]));
        qot.getArkStockDynamic(QotGetArkStockDynamic.Request.newBuilder()
                .setC2S(QotGetArkStockDynamic.C2S.newBuilder().setSecurity(QotCommon.Security.newBuilder()
                        .setMarket(QotCommon.QotMarket.QotMarket_US_Security_VALUE).setCode("TSLA"))).build());
        printNext();
        qot.getRatingChange(QotGetRatingChange.Request.newBuilder()
                .setC2S(QotGetRatingChange.C2S.newBuilder().setMarket(11).setCount(3)).build());
        printNext();
    }

    /** Print the next thing told; end with status 1 where it is a refusal, 2 where it does not come. */
    private void printNext() throws InterruptedException {
        String line = told.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
        System.out.println(line == null ? "nothing came" : line);
        if (line == null || line.startsWith("refused") || line.startsWith("disconnected")) {
            System.exit(line == null ? 2 : 1);
        }
    }

    @Override
    public void onInitConnect(FTAPI_Conn client, long errCode, String desc) {
        told.add(errCode == 0
                ? "connected " + client.getConnectID()
                : String.format("refused %d/%d %s", errCode >> 32, errCode & 0xffffffffL, desc));
    }

    @Override
    public void onDisconnect(FTAPI_Conn client, long errCode) {
        told.add("disconnected");
    }

    @Override
    public void onReply_GetGlobalState(FTAPI_Conn client, int nSerialNo, GetGlobalState.Response rsp) {
        tell("state", rsp);
    }

    @Override
    public void onReply_GetArkStockDynamic(
            FTAPI_Conn client, int nSerialNo, QotGetArkStockDynamic.Response rsp) {
        tell("dynamic", rsp);
    }

    @Override
    public void onReply_GetRatingChange(FTAPI_Conn client, int nSerialNo, QotGetRatingChange.Response rsp) {
        tell("rating", rsp);
    }

    private void tell(String what, MessageOrBuilder rsp) {
        try {
            told.add(what + " " + JsonFormat.printer().omittingInsignificantWhitespace().print(rsp));
        } catch (InvalidProtocolBufferException e) {
            told.add("refused " + what + ": " + e.getMessage());
        }
    }
}
