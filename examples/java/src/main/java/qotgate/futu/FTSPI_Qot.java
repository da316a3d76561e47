package qotgate.futu;

import com.futu.openapi.FTAPI_Conn;
import qotgate.pb.QotGetArkStockDynamic;
import qotgate.pb.QotGetRatingChange;

/** The published callbacks, and those of the two calls that {@link FTAPI_Conn_Qot} adds. */
public interface FTSPI_Qot extends com.futu.openapi.FTSPI_Qot {
    default void onReply_GetArkStockDynamic(
            FTAPI_Conn client, int nSerialNo, QotGetArkStockDynamic.Response rsp) {}

    default void onReply_GetRatingChange(
            FTAPI_Conn client, int nSerialNo, QotGetRatingChange.Response rsp) {}
}
