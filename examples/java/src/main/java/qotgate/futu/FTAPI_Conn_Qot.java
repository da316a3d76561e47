package qotgate.futu;

import com.futu.openapi.ProtoHeader;
import com.futu.openapi.ReqReplyType;
import com.google.protobuf.InvalidProtocolBufferException;
import qotgate.pb.QotGetArkStockDynamic;
import qotgate.pb.QotGetRatingChange;

/**
 * The published connection (futu-api 9.6.5608) with the two calls that came after it, named as in the
 * reference documents: put this class's package in the place of com.futu.openapi in an import.
 */
public class FTAPI_Conn_Qot extends com.futu.openapi.FTAPI_Conn_Qot {
    private static final int GET_ARK_STOCK_DYNAMIC = 3424;
    private static final int GET_RATING_CHANGE = 3426;
    private static final int INVALID = -500;

    private volatile FTSPI_Qot spi = new FTSPI_Qot() {};

    public void setQotSpi(FTSPI_Qot qotSpi) {
        super.setQotSpi(qotSpi);
        spi = qotSpi;
    }

    public int getArkStockDynamic(QotGetArkStockDynamic.Request req) {
        return sendProto(GET_ARK_STOCK_DYNAMIC, req);
    }

    public int getRatingChange(QotGetRatingChange.Request req) {
        return sendProto(GET_RATING_CHANGE, req);
    }

    @Override
    protected void onReply(ReqReplyType type, ProtoHeader header, byte[] body) {
        int proto = header.nProtoID;
        if (proto != GET_ARK_STOCK_DYNAMIC && proto != GET_RATING_CHANGE) {
            super.onReply(type, header, body);
            return;
        }
        int retType = type.getCode();
        if (type == ReqReplyType.SvrReply) {
            try {
                deliver(proto, header.nSerialNo, body);
                return;
            } catch (InvalidProtocolBufferException e) {
                retType = INVALID;
            }
        }
        if (proto == GET_ARK_STOCK_DYNAMIC) {
            spi.onReply_GetArkStockDynamic(this, header.nSerialNo,
                    QotGetArkStockDynamic.Response.newBuilder().setRetType(retType).build());
        } else {
            spi.onReply_GetRatingChange(this, header.nSerialNo,
                    QotGetRatingChange.Response.newBuilder().setRetType(retType).build());
        }
    }

    private void deliver(int proto, int serial, byte[] body) throws InvalidProtocolBufferException {
        if (proto == GET_ARK_STOCK_DYNAMIC) {
            spi.onReply_GetArkStockDynamic(this, serial, QotGetArkStockDynamic.Response.parseFrom(body));
        } else {
            spi.onReply_GetRatingChange(this, serial, QotGetRatingChange.Response.parseFrom(body));
        }
    }
}
